"""The built front ends as data: ``build/web`` and ``build/ohif``, inside the wheel."""
