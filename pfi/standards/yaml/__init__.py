"""The one reader of YAML files that people write: configuration and routing rules.

A fault is told in French, at `file:line:column`, with the remedy when one is known.
"""

from pfi.standards.yaml.faults import Fault, Location, closest, faults_of
from pfi.standards.yaml.file import Mark, YamlFile

__all__ = ["Fault", "Location", "Mark", "YamlFile", "closest", "faults_of"]
