"""How Hypothesis runs here. The rules are pure and fast, so a slow example means a busy machine and not a defect."""

import os

from hypothesis import settings

# CI tries the same examples every time, so that a red run can be repeated; a developer's runs look further each time.
settings.register_profile("laptop", deadline=None, max_examples=200)
settings.register_profile("repeatable", deadline=None, max_examples=200, derandomize=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "laptop")
