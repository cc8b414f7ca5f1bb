"""The client of users."""

from dataclasses import asdict
from typing import Any, Unpack

from .answers import Device, OwnSession, User
from .options import Options, SessionClient, segment, without_none
from .tokens import Tokens


class Client(SessionClient):
    """A user's session at the service at *base_url*, and everything that a user can do there.

    Every method raises the subclass of Refused that the service's refusal has, or NoAnswer or AnswerUnreadable; those
    that need a session raise NotLoggedIn where there is none.
    """

    def __init__(self, base_url: str, **options: Unpack[Options]) -> None:
        super().__init__(base_url, "/api/user", **options)

    def register(
        self,
        phone: str,
        password: str,
        *,
        user_name: str | None = None,
        invited_by: int | None = None,
        device: Device | None = None,
        remember: bool = False,
    ) -> Tokens:
        """Register, which logs in."""
        more = without_none(user_name=user_name, invited_by=invited_by)
        return self._open("/register", {**credentials(phone, password, device, remember), **more})

    def login(
        self,
        phone: str,
        password: str,
        *,
        device: Device | None = None,
        remember: bool = False,
        replace: str | None = None,
    ) -> Tokens:
        """Log in. *replace* is the id of a session to sign out, out of TooManyDevices."""
        return self._open("/login", {**credentials(phone, password, device, remember), **without_none(replace=replace)})

    def user_info(self) -> User:
        """Who one is."""
        return User.read(self._get("/user_info"))

    def sessions(self) -> tuple[OwnSession, ...]:
        """One's live sessions, this one among them."""
        return tuple(OwnSession.read(each) for each in self._get("/sessions").list("sessions"))

    def end_session(self, session_id: str, *, password: str | None = None) -> None:
        """Sign a device out. Raises ReauthenticationNeeded without the password if the login was long ago."""
        self._post(f"/sessions/{segment(session_id)}/end", without_none(password=password))

    def end_other_sessions(self, *, password: str | None = None) -> int:
        """Sign all other devices out, and how many these were; the password as for one."""
        return self._post("/sessions/end", without_none(password=password)).number("ended")

    def change_password(self, old: str, new: str) -> None:
        """Change the password, which ends the other sessions."""
        self._post("/password", {"old_password": old, "new_password": new})

    def rename(self, user_name: str | None) -> User:
        """Change the user name; None for none."""
        return User.read(self._post("/profile", {"user_name": user_name}))

    def close_account(self, password: str) -> str:
        """Close the account, and when that becomes final. Every session ends now; logging in before takes it back."""
        closes_at = self._post("/close", {"password": password}).text("closes_at")
        self._keeper.forget()
        return closes_at


def credentials(phone: str, password: str, device: Device | None, remember: bool) -> dict[str, Any]:
    named = {} if device is None else {"device": without_none(**asdict(device))}
    return {"phone": phone, "password": password, "remember": remember, **named}
