"""DICOMweb in any FastAPI application: five lines, below the blank one."""

from fastapi import FastAPI

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import Settings
from hounsfield.dicomweb.plugin import create_plugin

app = FastAPI()

archive = Archive(Settings())
app.include_router(create_plugin(archive), prefix="/pacs")
