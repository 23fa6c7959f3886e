"""What an operator may set: one table of settings, and one way from flags, environment and file to their values.

`table` is the single source: names, kinds, defaults, help. The flags of `knit serve`, the traits of the Jupyter
extension, the variables, the keys of the TOML file, `--show-config` and docs/configuration.md all follow from it.

It reads the file and the environment it is given, and nothing else; it never starts or writes anything. Importing it
loads the standard library only, because the help of `knit serve` needs the table.
"""

from knit_server.config.effective import Configuration, Origin, resolve
from knit_server.config.show import shown
from knit_server.config.table import SETTINGS, Setting

__all__ = ["SETTINGS", "Configuration", "Origin", "Setting", "resolve", "shown"]
