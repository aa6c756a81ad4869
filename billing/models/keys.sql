-- A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits of a version 4 one.
-- PostgreSQL 18 has uuidv7(); this serves the versions before it.
CREATE OR REPLACE FUNCTION billing_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
           PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
         52, 1), 53, 1), 'hex')::uuid
$$;
