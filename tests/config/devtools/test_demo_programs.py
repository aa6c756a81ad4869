from pathlib import Path

import pytest

from config.devtools.demo import environment, supervisor


def test_no_command_line_of_the_demo_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "SECRETS", tmp_path / "demo" / "secrets.json")
    monkeypatch.delenv("STRIPE_SECRET_KEY", raising=False)
    variables = environment.demo_environment(8000)
    secrets = {value for name, value in variables.items() if "SECRET" in name and len(value) > 8}
    assert len(secrets) == 6
    commands = supervisor.programs(8000)
    assert set(commands) == {"Stripe sandbox", "web server", "worker"}
    for command in commands.values():
        assert not any(secret in word for secret in secrets for word in command)
