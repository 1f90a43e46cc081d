"""What broke and what healed between two models is told completely, the losses first."""

from mlbot.stats.changes import Change, change_lines, changes, encoder_change

ROWS = {"text": ["b second", "a card", "c both wrong", "a leave", "d healed", "e same"],
        "intent": ["leave", "card", "card", "leave", "card", "card"],
        "role": ["hr", "", "hr", "hr", "sales", "hr"], "location": ["de", "", "de", "", "fr", "de"]}
BEFORE = ["leave", "card", "leave", "leave", "leave", "card"]
AFTER = ["card", "vpn", "vpn", "card", "card", "card"]


def test_each_row_that_one_model_gets_right_and_the_other_wrong_is_listed_the_broken_ones_first():
    """By intent, then by text; a row that both get wrong is no change, and an empty context value is not shown."""
    assert changes(ROWS, ["role", "location"], BEFORE, AFTER) == [
        Change("a card", "", "card", "card", "vpn", True),
        Change("a leave", "hr", "leave", "leave", "card", True),
        Change("b second", "hr, de", "leave", "leave", "card", True),
        Change("d healed", "sales, fr", "card", "leave", "card", False)]


def test_a_few_changes_are_shown_with_both_answers_and_the_rest_is_counted():
    """The reader sees how many there are of each kind, at most `few` examples, and cut texts."""
    found = changes(ROWS, ["role", "location"], BEFORE, AFTER)
    assert change_lines(found, few=2) == [
        "3 broke:", "  - 'a card': card, now vpn", "  - 'a leave' (hr): leave, now card", "    and 1 more",
        "1 healed:", "  + 'd healed' (sales, fr): card, before leave"]
    assert change_lines(found[:3], few=3)[-2:] == ["  - 'b second' (hr, de): leave, now card", "0 healed"]
    long = change_lines([Change("x" * 61, "", "a", "a", "b", True)] * 7)
    assert long[1] == f"  - '{'x' * 60}': a, now b" and long[-2:] == ["    and 2 more", "0 healed"] and len(long) == 8


def test_other_weights_under_the_same_name_of_an_encoder_are_told():
    """The commit says which ones, or the digest where there is no commit; another name is no secret, and not told here."""
    def manifest(name="team/small", **encoder):
        return {"model": {"encoder": name}, "encoder": encoder}
    old = manifest(digest="d" * 64, commit="0123456789abcdef")
    new = manifest(digest="e" * 64, commit="")
    assert encoder_change(old, new) == "encoder team/small: 0123456789 is now eeeeeeeeee"
    assert encoder_change(old, manifest(digest="d" * 64, commit="f" * 40)) == ""  # the same files
    assert encoder_change(old, manifest("team/large", digest="e" * 64, commit="")) == ""
    for other in ({}, {"model": {"encoder": "team/small"}}):
        assert encoder_change(old, other) == encoder_change(other, new) == encoder_change(other, other) == ""
    bare = {"encoder": {"digest": "d" * 64, "commit": ""}}  # without a name on both sides: the files still count
    assert encoder_change(bare, {"encoder": {"digest": "e" * 64, "commit": ""}}) == "encoder : dddddddddd is now eeeeeeeeee"
