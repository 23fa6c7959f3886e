"""A cell as a Plan: its words and its code are read, it is tried here on real Data, pushed as Data, and applied.

No IPython in here: who calls says how code is executed in the notebook. What a cell means is the same here and in a
Run: `inputs.NAME` and `outputs.NAME` are paths, `args.NAME` texts (`runner`).
"""
