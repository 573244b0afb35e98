from __future__ import annotations

from git_model_driver.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main())
