"""The order of tokens by windows."""

from __future__ import annotations

import torch

from seedvr2.network.memo import forget_all
from seedvr2.network.windows import layout_change, window_layout

CPU = torch.device("cpu")
RAGGED, COUNTS = (5, 20, 33), (4, 3, 3)


def test_each_token_has_one_place_and_windows_lie_together() -> None:
    for shifted in (False, True):
        layout = window_layout(RAGGED, COUNTS, shifted, CPU)
        assert torch.equal(layout.order[layout.places], torch.arange(5 * 20 * 33))
        start = 0
        for group in layout.groups:
            for window in group.tokens:
                assert torch.equal(layout.order[start : start + len(window)], window)
                start += len(window)
        lengths = [length for length, _ in layout.lengths]
        assert lengths == sorted(set(lengths)) and len(lengths) > 1
        assert sum(length * windows for length, windows in layout.lengths) == len(layout.order)


def test_one_permutation_leads_from_layout_to_layout() -> None:
    x = torch.randn(5 * 20 * 33, 2)
    regular, shifted = (window_layout(RAGGED, COUNTS, each, CPU) for each in (False, True))
    there, back = (layout_change(RAGGED, COUNTS, each, not each, CPU) for each in (False, True))
    assert there is not None and back is not None
    moved = x[regular.order][there]
    assert torch.equal(moved, x[shifted.order])
    assert torch.equal(moved[back][regular.places], x)
    assert layout_change(RAGGED, COUNTS, True, True, CPU) is None


def test_where_shifting_moves_nothing_no_token_moves() -> None:
    counts = (1, 1, 1)
    assert window_layout((1, 4, 6), counts, True, CPU) is window_layout((1, 4, 6), counts, False, CPU)
    assert layout_change((1, 4, 6), counts, False, True, CPU) is None


def test_layouts_are_kept_and_can_be_forgotten() -> None:
    first = window_layout(RAGGED, COUNTS, False, CPU)
    assert window_layout(RAGGED, COUNTS, False, CPU) is first
    forget_all()
    assert window_layout(RAGGED, COUNTS, False, CPU) is not first


def test_pieces_are_all_rows_once_in_whole_windows_or_parts_of_one() -> None:
    layout = window_layout(RAGGED, COUNTS, True, CPU)
    for rows in (1, 7, 60, 500, 10**6):
        start = 0
        for piece in layout.pieces(rows):
            assert piece.rows.start == start
            start = piece.rows.stop
            tokens = layout.groups[piece.group].tokens[piece.windows, piece.tokens]
            assert torch.equal(layout.order[piece.rows], tokens.flatten())
            assert len(tokens) == 1 or piece.tokens == slice(0, layout.groups[piece.group].tokens.shape[1])
            assert tokens.numel() <= max(rows, 1)
        assert start == len(layout.order)
