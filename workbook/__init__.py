"""The command of the workbook: `make gs1 run` and `python -m workbook gs1 run` both lead here."""
