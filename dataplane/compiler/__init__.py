"""From P4_16 for v1model to eBPF on tc.

One layer a module, each with data of its own between it and the next:

text --`preprocess`, `parser`--> `syntax` --`lowering`--> `lowered` --`emitter`--> C --`clang`--> object

`p4info` and `layout` read the lowered form as well: what a controller sees, and what the tables look like in maps.
"""
