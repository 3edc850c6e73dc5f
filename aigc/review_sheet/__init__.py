"""Sheets that editors read and decide in: review.xlsx and review.csv out, the same in again, whatever became of them.

    columns    what the columns are called, in each language
    spelling   texts as cells can hold them, and cells as they were before a spreadsheet wrote them
    rows       a row that can be reviewed as cells
    workbook   review.xlsx
    delimited  review.csv
    reading    rows of a sheet that came back
    edits      what was changed in a cell: by its editor, or by the program that saved it
    deciding   a row that came back as a decision
"""
