"""The page of ``mmpersonsearch serve``: a search in the browser.

``desk`` is what the page does and ``views`` what it shows, both without Gradio; ``blocks`` joins them in Gradio, and
``server`` lets the browser in, past ``guard``.
"""
