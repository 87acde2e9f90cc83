"""Widgets del curso: funcionan igual en JupyterLab, en Colab y en la página, sin núcleo ni red."""

from course_lib.widgets.forward_noising import ForwardNoising
from course_lib.widgets.reverse_denoising import ReverseDenoising
from course_lib.widgets.schedule_explorer import ScheduleExplorer
from course_lib.widgets.trajectory import Trajectory, record

__all__ = ["ForwardNoising", "ReverseDenoising", "ScheduleExplorer", "Trajectory", "record"]
