from __future__ import annotations

from git_model_driver.cli.main import program

if __name__ == '__main__':
    program()
