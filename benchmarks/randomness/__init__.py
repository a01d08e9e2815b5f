"""The random streams, interleaved as an ensemble draws them, under the batteries of TestU01.

What is fed: word 0 of paths 0 .. n-1, then word 1 of the same paths, and so on. A battery made for one long
sequence so sees what no test of one stream can: whether streams that Philox starts side by side are alike.

How to run (Debian; TestU01 is in its component `non-free`, free of charge for non-commercial use, and no part
of this project):
    apt-get install gcc libtestu01-0-dev
    python -m benchmarks.randomness.run smallcrush --paths 1024 --logs LOGS
    python -m benchmarks.randomness.run crush --paths 65536 --logs LOGS    # 30 to 40 minutes
    python -m benchmarks.randomness.report LOGS                            # writes REPORT.md from the logs

Options of a run: `--seed`; `--reversed`, the bits of each word from lowest to highest; `--only 23 41`, those
tests of the battery alone, to repeat them with another seed; `--planted copies`, a defect, to see whether the
battery finds it (others in words.py). Batteries: smallcrush, crush, bigcrush, rabbit, alphabit; the last two
read 2**32 bits per test.
"""
