"""What city administrations are told to send: one page, and a template to fill in.

`guide.md` is the page's only source. What is read, and how, is in `cities/uploads/`.
"""
