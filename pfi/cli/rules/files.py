"""`pfi rules check`, `test` and `schema`: rule files alone, without store nor traffic."""

import json
from pathlib import Path
from typing import Any

import click

from pfi.model.errors import ConfigurationError
from pfi.routing import vectors
from pfi.routing.rules import RuleBook, load_rules
from pfi.routing.schema import rules_schema_text
from pfi.routing.vectors import VectorReport

_FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FICHIER]...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Résultat en JSON sur la sortie standard.")
_SHIPPED = (
    "Sans FICHIER, les règles livrées avec la PFI. Une table ou des exceptions qui ne sont pas données sont celles "
    "livrées : un fichier de site se vérifie seul."
)


@click.command("check", help=f"Vérifie des fichiers de règles, sans rien exécuter. {_SHIPPED}")
@_FILES
@_JSON
def check(files: tuple[Path, ...], as_json: bool) -> None:
    book = _load(files, as_json=as_json)
    content = {
        "ok": True,
        "files": list(book.files),
        "digest": book.digest,
        "rows": len(book.rows),
        "exceptions": len(book.exceptions),
        "tags": len(book.tags),
        "tests": len(book.tests),
    }
    if as_json:
        _write(content)
        return
    for file in book.files:
        click.echo(f"{file} : correct")
    click.echo(
        f"{len(book.rows)} lignes, {len(book.exceptions)} exceptions, {len(book.tags)} étiquettes de site, "
        f"{len(book.tests)} tests. Empreinte {book.digest[:12]}."
    )


@click.command("test", help=f"Exécute les tests écrits dans les fichiers de règles ; code 1 si l'un échoue. {_SHIPPED}")
@_FILES
@_JSON
@click.pass_context
def test(context: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    report = vectors.run(_load(files, as_json=as_json))
    print_report(report, as_json=as_json)
    context.exit(0 if report.passed else 1)


def print_report(report: VectorReport, *, as_json: bool) -> None:
    """What the tests of rule files say."""
    if as_json:
        _write(
            {
                "ok": report.passed,
                "tests": [
                    {
                        "file": result.file,
                        "line": result.line,
                        "name": result.name,
                        "ok": result.passed,
                        "differences": [
                            {"what": each.what, "expected": each.expected, "actual": each.actual}
                            for each in result.differences
                        ],
                    }
                    for result in report.results
                ],
            }
        )
    else:
        for result in report.failures:
            click.echo(f"ÉCHEC  {result.file}, ligne {result.line} : {result.name}")
            for each in result.differences:
                click.echo(f"       {each.what} : attendu « {each.expected} », obtenu « {each.actual} »")
        click.echo(f"{len(report.results)} tests, {len(report.failures)} en échec.")


@click.command("schema", help="Écrit le schéma JSON des fichiers de règles, pour les éditeurs.")
def schema() -> None:
    click.echo(rules_schema_text(), nl=False)


def _load(files: tuple[Path, ...], *, as_json: bool) -> RuleBook:
    try:
        return load_rules(files)
    except ConfigurationError as error:
        if as_json:
            _write({"ok": False, "error": {"code": error.code, "text": error.text, "next_step": error.next_step}})
        else:
            click.echo("\n".join(part for part in (error.text, error.next_step) if part), err=True)
        raise click.exceptions.Exit(1) from error


def _write(content: dict[str, Any]) -> None:
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))
