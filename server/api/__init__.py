"""The JSON API that the web app and the OHIF extension use; described by /api/openapi.json."""
