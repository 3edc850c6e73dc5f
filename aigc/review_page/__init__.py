"""`review.html`: a run's texts in one file that editors read and decide in, from disk, with nothing to install.

    rows       a row of the results as the page shows it
    shares     which rows go to which page: all to one, by content type, or by editor
    embedding  values written into HTML so that they stay values
    document   the page's own style and scripts, and the policy that lets nothing else run
    writing    rows to files, one pass, in flat memory
    assets/    the page itself: plain CSS and scripts, joined in the order that `document` tells
"""

from aigc.review_page.rows import all_rows
from aigc.review_page.shares import WHOLE, Split
from aigc.review_page.writing import NOTHING_MORE, PAGE, Pages, Telling, write_page, write_pages, write_review_html

__all__ = [
    "NOTHING_MORE", "PAGE", "WHOLE", "Pages", "Split", "Telling", "all_rows", "write_page", "write_pages",
    "write_review_html",
]
