"""Documents by FHIR (PDSm / MHD ITI-65): an HTTP source (`listener`)."""
