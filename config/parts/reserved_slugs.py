"""The addresses that no organization may take, where the environment names none."""

DEFAULT_RESERVED_SLUGS = frozenset(
    "account accounts admin administrator api app apps assets auth autoconfig autodiscover billing cdn console"
    " dashboard dns docs ftp help hostmaster imap internal keycloak localhost login mail marketplace mta-sts ns1 ns2"
    " pop pop3 portal postmaster provisioning root security smtp sso static status support system tenant vpn webmail"
    " webmaster wpad www".split()
)
