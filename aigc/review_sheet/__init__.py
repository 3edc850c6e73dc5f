"""Sheets that editors read and decide in: review.xlsx and review.csv out, the same in again, whatever became of them.

    columns    what the columns are called, in each language
    spelling   texts as cells can hold them, and cells as they were before a spreadsheet wrote them
    versions   a text as it was made, and as editors left it
    rows       a row that can be reviewed as cells
    dress      how cells of a workbook look
    front      the workbook's first sheet
    workbook   review.xlsx
    delimited  review.csv
    reading    rows of a sheet that came back
    edits      what was changed in a cell: by its editor, or by the program that saved it
    comparing  what was changed in a row, against what it was written with
    deciding   a row that came back as a decision
    returned   a file that came back, into the ledger
"""
