"""The subcommands of `knit`, one file per noun. They read words, call the client and print; they decide nothing."""
