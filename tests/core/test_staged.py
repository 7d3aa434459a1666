from tributary.core.staged import Part, publish_attempt


def part(number: int, etag: str = "e") -> Part:
    return Part(key=f"k/{number}", rows=1, size_bytes=1, etag=etag)


def test_the_same_plan_and_parts_are_the_same_publish_in_whatever_order() -> None:
    assert publish_attempt("p", [part(1), part(2)]) == publish_attempt("p", [part(2), part(1)])


def test_another_plan_part_or_content_is_another_publish() -> None:
    others = [
        publish_attempt("p", [part(1)]),
        publish_attempt("q", [part(1)]),
        publish_attempt("p", [part(2)]),
        publish_attempt("p", [part(1, "f")]),
        publish_attempt("p", [part(1), part(2)]),
    ]
    assert len(set(others)) == len(others)
