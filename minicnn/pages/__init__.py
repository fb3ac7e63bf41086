"""Self-contained HTML pages, which need neither a network nor anything beside a browser."""

from minicnn.pages.explaining import explain_page
from minicnn.pages.inspecting import inspection_page
from minicnn.pages.reporting import report_page

__all__ = ["explain_page", "inspection_page", "report_page"]
