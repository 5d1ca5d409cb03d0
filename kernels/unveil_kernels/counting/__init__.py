"""Quantised colour counts per pixel, updated in place from chunks of frames.

A pixel has a few slots; a slot is one colour with its counts (`slots`). Three accumulators fill
them: `runs` deposits every run of a colour; `transitions` only samples right before or after a
pixel's leader, the still colour that a survey of every `SURVEY_EVERY`-th frame finds most often;
`outside` all samples outside the person that are far from a leader that was found outside the
person, too.

Kernels work on the rows `first_row <= row < last_row`, so that threads can share one
state. Colours are three 8-bit channels; the second and third may be subsampled by
`2**shift_y` and `2**shift_x`. Two colours are alike where no channel, of which only the
bits in `mask` count, differs by more than `tolerance` levels.

Whole rows are compared in loops that vectorise (`rows`). What must be counted is listed over
the frames of a chunk and deposited afterwards: first all slots of the list are touched, which
waits for memory once and not once a sample, then they are changed in the list's order.
When that happens changes nothing but the time it takes.
"""
