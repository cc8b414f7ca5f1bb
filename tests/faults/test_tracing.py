"""The oracle of F-02 can tell a sync that came in time from one that did not."""

from .tracing import Synced, judged

_WRITE = '77 pwrite64(9</data/menshen.sqlite3-wal>, ""..., 4096, 56) = 4096'
_SYNC = "77 fdatasync(9</data/menshen.sqlite3-wal>) = 0"
_ANSWER = '77 sendto(12<TCP:[127.0.0.1:8000->127.0.0.1:4]>, "HTTP/1.1 200 OK\\r\\n"..., 500, 0, NULL, 0) = 500'


class TestTheOracle:
    def test_it_accepts_an_answer_after_the_sync(self) -> None:
        assert judged([_WRITE, _SYNC, _ANSWER]) == Synced(1, 1, 0)
        assert judged([_WRITE, _WRITE, _SYNC, _ANSWER, _WRITE, _SYNC, _ANSWER]) == Synced(3, 2, 0)

    def test_it_finds_an_answer_without_or_before_a_sync(self) -> None:
        assert judged([_WRITE, _ANSWER]) == Synced(1, 1, 1)
        assert judged([_WRITE, _ANSWER, _SYNC]) == Synced(1, 1, 1)
        assert judged([_SYNC, _WRITE, _ANSWER]) == Synced(1, 1, 1)

    def test_a_sync_counts_when_it_is_over_and_for_what_was_written_before_it(self) -> None:
        begun = "78 fdatasync(9</data/menshen.sqlite3-wal> <unfinished ...>"
        over = "78 <... fdatasync resumed>) = 0"
        assert judged([_WRITE, begun, _ANSWER, over]) == Synced(1, 1, 1)
        assert judged([_WRITE, begun, over, _ANSWER]) == Synced(1, 1, 0)
        assert judged([_WRITE, begun, _WRITE, over, _ANSWER]) == Synced(2, 1, 1)

    def test_a_sync_that_fails_counts_for_nothing(self) -> None:
        failed = _SYNC.replace("= 0", "= -1 EIO (Input/output error)")
        assert judged([_WRITE, failed, _ANSWER]) == Synced(1, 1, 1)
