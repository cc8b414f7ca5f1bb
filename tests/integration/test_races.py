"""Many at the same moment, against a server of two processes."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from .racers import at_once
from .servers import PASSWORD, Answer, Server, assert_envelope, serving

ROUNDS = 6


class TestRegistering:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("registering"), WORKERS="2") as server:
            yield server

    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_of_fifty_at_once_exactly_one_is_acknowledged(self, server: Server, number: int) -> None:
        phone = f"1380013800{number}"

        def register(caller: int) -> tuple[str, Answer]:
            password = f"password of {caller}"
            with server.client() as client:
                return password, client.register(phone, password)

        answers = at_once(50, register)
        done = [(password, answer) for password, answer in answers if answer.status == 200]
        assert len(done) == 1, Counter(answer.reason for _, answer in answers)
        for _, answer in answers:
            assert_envelope(answer)
            assert (answer.status, answer.reason) in {
                (200, None),
                (403, "phone_taken"),
                (503, "busy"),
                (503, "store_unavailable"),
            }
            assert answer.status != 503 or int(answer.headers["retry-after"]) >= 1
        [(password, answer)] = done
        with server.client() as client:
            assert client.user_info(answer.token).json["data"]["phone"] == phone
            assert client.login(phone, password).status == 200
            assert client.register(phone).reason == "phone_taken"


class TestLoggingInOnOneDevice:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("logging-in"), WORKERS="2", MULTI_DEVICE_LOGIN="false") as server:
            yield server

    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_of_thirty_two_at_once_exactly_one_token_lives(self, server: Server, number: int) -> None:
        phone = f"1390013900{number}"
        with server.client() as client:
            first = client.register(phone).token

        def log_in(_caller: int) -> Answer:
            with server.client() as client:
                return client.login(phone)

        answers = at_once(32, log_in)
        assert {answer.status for answer in answers} <= {200, 503}
        tokens = [answer.token for answer in answers if answer.status == 200]
        assert len(tokens) == len(set(tokens)) >= 2
        with server.client() as client:
            found = Counter((info.status, info.reason) for info in map(client.user_info, tokens))
            assert client.user_info(first).reason == "session_replaced"
        assert found == {(200, None): 1, (401, "session_replaced"): len(tokens) - 1}


class TestABurstOfLogins:
    def test_it_is_answered_and_does_not_starve_logged_in_users(self, server: Server) -> None:
        with server.client() as client:
            token = client.register("13600136002").token
            client.register("13600136000")
        over = threading.Event()
        slowest: list[float] = []

        def look_on() -> None:
            with server.client() as client:
                while not over.is_set():
                    begin = time.monotonic()
                    assert client.user_info(token).status == 200
                    slowest.append(time.monotonic() - begin)
                    time.sleep(0.02)

        def log_in(_caller: int) -> Answer:
            with server.client() as client:
                return client.login("13600136000", PASSWORD)

        looker = threading.Thread(target=look_on)
        looker.start()
        try:
            answers = at_once(150, log_in)
        finally:
            over.set()
            looker.join(60)
        for answer in answers:
            assert_envelope(answer)
            assert (answer.status, answer.reason) in {(200, None), (503, "busy"), (503, "store_unavailable")}
            assert answer.status == 200 or int(answer.headers["retry-after"]) >= 1
        assert any(answer.status == 200 for answer in answers)
        assert max(slowest) < 3


class TestOneRevocation:
    def test_no_request_begun_after_it_succeeds(self, server: Server) -> None:
        with server.client() as client:
            token = client.register("13600136001").token
        ended = threading.Event()

        def poll(_caller: int) -> list[int]:
            late = []
            with server.client() as client:
                for _ in range(5000):
                    begun_after = ended.is_set()
                    status = client.user_info(token).status
                    if begun_after:
                        late.append(status)
                    if len(late) >= 10:
                        break
            return late

        def act(caller: int) -> list[int]:
            if caller:
                return poll(caller)
            time.sleep(0.3)
            with server.client() as client:
                assert client.logout(token).status == 200
            ended.set()
            return []

        late = [status for statuses in at_once(7, act) for status in statuses]
        assert len(late) >= 10
        assert set(late) == {401}
