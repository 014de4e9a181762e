"""What a model will see of a task's data, before it is trained: one row, or all in numbers.

It needs a backbone's tokenizer and not its weights, and knows of a task what the contract says: its
rows, its windows, their targets.
"""

from gptasks.preview.making import Preview
from gptasks.preview.seen import SeenRow, SeenWindow, Token, gaps
from gptasks.preview.survey import SHARES, Survey

__all__ = ["SHARES", "Preview", "SeenRow", "SeenWindow", "Survey", "Token", "gaps"]
