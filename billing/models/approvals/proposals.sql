-- What was proposed never changes, and a decision is final. Installed by every migrate.
CREATE OR REPLACE TRIGGER billing_proposal_never_deleted BEFORE DELETE OR TRUNCATE ON billing_proposal
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a proposal stays');
CREATE OR REPLACE TRIGGER billing_proposal_starts_proposed BEFORE INSERT ON billing_proposal FOR EACH ROW
  WHEN (NEW.status <> 'proposed') EXECUTE FUNCTION billing_refuse('a proposal starts proposed');
CREATE OR REPLACE TRIGGER billing_proposal_content_fixed BEFORE UPDATE ON billing_proposal FOR EACH ROW
  WHEN (current_setting('qasima.erasing', true) IS DISTINCT FROM 'on' AND ((NEW.id, NEW.kind, NEW.title, NEW.arguments, NEW.state, NEW.changes, NEW.fingerprint, NEW.reason,
         NEW.proposer_id, NEW.proposer_role, NEW.proposer_email, NEW.proposer_channel, NEW.proposer_address,
         NEW.created_at, NEW.expires_at)
        IS DISTINCT FROM
        (OLD.id, OLD.kind, OLD.title, OLD.arguments, OLD.state, OLD.changes, OLD.fingerprint, OLD.reason,
         OLD.proposer_id, OLD.proposer_role, OLD.proposer_email, OLD.proposer_channel, OLD.proposer_address,
         OLD.created_at, OLD.expires_at)
        OR (OLD.status <> 'proposed' AND NEW.status = OLD.status)))
  EXECUTE FUNCTION billing_refuse('what was proposed stays, and a decision is final');
CREATE OR REPLACE TRIGGER billing_proposal_transition_known BEFORE UPDATE ON billing_proposal FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'proposed > approved', 'proposed > rejected', 'proposed > expired', 'proposed > failed', 'proposed > withdrawn');
