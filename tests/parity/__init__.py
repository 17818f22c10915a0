"""Number parity with the reference implementation: `python -m tests.parity [DIR]`.

DIR is laid out like `tests/fixtures/golden`: an INDEX.json that lists files with their hashes, JSON files that say
what was computed, and safetensors beside them with the numbers. What a JSON file is about is recognised by what
it holds, not by its name; a file that nothing recognises, or that no case reads, is a failure.
"""
