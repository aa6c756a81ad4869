"""TM Forum's TMF654 v4, prepay balance management: what an operator's systems need of it to sell and redeem vouchers.

`topupBalance` redeems a voucher for a named customer. `bucket` and `accumulatedBalance` only read. The paths, the
fields, the paging and the errors are those of the specification. All acts are those of this API's own endpoints: the
same use cases, limits and records of refused codes.

A customer has one bucket: its balance. The ids of the bucket, of the party account and of the customer are the user
id on the platform, so that a caller names a customer by whichever of them it has.

The caller is a machine with the role `topup-channel`, or a superadmin. No other role of staff is admitted: a channel
that sells must not be able to issue vouchers, and a member of staff must not redeem for customers. The channel names
one customer in every request. It lists no others, and it creates none: a mistyped id would take the credit.
"""
