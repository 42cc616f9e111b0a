"""RESULTS.md with the sections of a later run."""

import sections

OLD = """# Results

head

## Targets

| a |

## SMILE

old figures

### One linear layer

old, too

## Start-up

fast
"""
NEW = """# Results

other head

## Targets

| b |

## The truncated SVD

| c |

## SMILE

new figures

"""


def test_sections_are_replaced_in_place_and_added_at_the_end():
    expected = """# Results

head

## Targets

| a |

## SMILE

today

new figures

## Start-up

fast

## The truncated SVD

today

| c |
"""
    assert sections.added(OLD, NEW, ("Targets",), "today") == expected


def test_a_second_time_nothing_changes():
    once = sections.added(OLD, NEW, ("Targets",), "today")
    assert sections.added(once, NEW, ("Targets",), "today") == once


def test_nothing_new_leaves_the_document_as_it_is():
    assert sections.added(OLD, "# Results\n\nother head\n", (), "today") == OLD
