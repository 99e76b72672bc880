"""The worker process of the web: what the archive's does, and pictures."""

import sys

from hounsfield.archive.transcoding import worker
from hounsfield.dicomweb.rendering.picture import placeholder, render
from hounsfield.dicomweb.rendering.presentation import render_presented
from hounsfield.dicomweb.rendering.segmentation import busiest_frame, render_segment

TASKS: worker.Tasks = {
    **worker.TASKS,
    "busiest_frame": busiest_frame,
    "placeholder": placeholder,
    "render": render,
    "render_presented": render_presented,
    "render_segment": render_segment,
}

if __name__ == "__main__":
    worker.main(TASKS)
    sys.exit(0)
