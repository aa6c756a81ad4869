"""Prints mails to the terminal as a person reads them: to whom, the subject, and the text without its HTML form."""

from django.core.mail import EmailMessage
from django.core.mail.backends import console


class EmailBackend(console.EmailBackend):
    """Django's console backend, which prints a mail's raw form: in it a code of six digits has some hundred lines."""

    def write_message(self, message: EmailMessage) -> None:
        attachments = [name for name, *_ in message.attachments if isinstance(name, str)]
        heads = [f"To: {', '.join(message.recipients())}", f"Subject: {message.subject}"]
        heads += [f"Attached: {', '.join(attachments)}"] if attachments else []
        self.stream.write("\n".join([*heads, "", str(message.body).strip(), "-" * 79, ""]))
