"""Quantised colour counts per pixel, updated in place from chunks of frames.

A pixel has a few slots; a slot is one colour with its counts (`slots`). Three accumulators fill
the slots:

- `runs` counts every run of every colour.
- `transitions` counts only the samples right before or after a pixel's leader. The leader is the
  still colour that surveys of every `SURVEY_EVERY`-th frame find most often.
- `outside` counts the samples outside the person mask that are far from the leader. Here the
  leader is the colour that surveys outside the mask find most often.

Each accumulator's state is a NamedTuple of arrays. Kernels work on the rows
`first_row <= row < last_row`, so that threads can share one state.

Whole rows are compared in loops that vectorise (`rows`). Samples to be counted are listed over
the frames of a chunk and deposited afterwards: all slots of the list are prefetched first, which
waits for memory once and not once a sample; then the samples are deposited in the list's order.
The moment of depositing changes the time it takes, not the result.
"""
