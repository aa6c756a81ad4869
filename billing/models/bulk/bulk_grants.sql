-- What was drafted as a bulk grant never changes, and nothing of it is deleted. Installed by every migrate.
CREATE OR REPLACE TRIGGER billing_bulkgrant_never_deleted BEFORE DELETE OR TRUNCATE ON billing_bulkgrant
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a bulk grant is discarded, never deleted');
CREATE OR REPLACE TRIGGER billing_bulkgrant_starts_draft BEFORE INSERT ON billing_bulkgrant FOR EACH ROW
  WHEN (NEW.status <> 'draft' OR NEW.progress <> 0)
  EXECUTE FUNCTION billing_refuse('a bulk grant starts as a draft');
-- Three conditions: the content never changes; only the start writes who started it; only the undo writes who undid it.
CREATE OR REPLACE TRIGGER billing_bulkgrant_content_fixed BEFORE UPDATE ON billing_bulkgrant FOR EACH ROW
  WHEN ((NEW.id, NEW.name, NEW.rows, NEW.total_minor, NEW.rows_hash, NEW.credit_class, NEW.expires_at, NEW.reason,
         NEW.drafted_by, NEW.created_at)
        IS DISTINCT FROM
        (OLD.id, OLD.name, OLD.rows, OLD.total_minor, OLD.rows_hash, OLD.credit_class, OLD.expires_at, OLD.reason,
         OLD.drafted_by, OLD.created_at)
        OR ((NEW.status = OLD.status
             OR (OLD.status, NEW.status) IN (('running', 'done'), ('done', 'undoing'), ('undoing', 'undone')))
            AND (NEW.started_by, NEW.started_at) IS DISTINCT FROM (OLD.started_by, OLD.started_at))
        OR ((NEW.status = OLD.status
             OR (OLD.status, NEW.status) IN (('draft', 'running'), ('running', 'done'), ('undoing', 'undone')))
            AND NEW.undone_by IS DISTINCT FROM OLD.undone_by))
  EXECUTE FUNCTION billing_refuse('what was drafted stays, and so do those who started and undid it');
CREATE OR REPLACE TRIGGER billing_bulkgrant_transition_known BEFORE UPDATE ON billing_bulkgrant FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'draft > discarded', 'draft > running', 'running > done', 'done > undoing', 'undoing > undone');

CREATE OR REPLACE TRIGGER billing_bulkgrantrow_never_deleted BEFORE DELETE OR TRUNCATE ON billing_bulkgrantrow
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a row of a bulk grant stays');
CREATE OR REPLACE TRIGGER billing_bulkgrantrow_starts_pending BEFORE INSERT ON billing_bulkgrantrow FOR EACH ROW
  WHEN (NEW.status <> 'pending') EXECUTE FUNCTION billing_refuse('a row of a bulk grant starts pending');
-- Likewise: only a grant or a skip writes the entry, and only a change of the status the reason.
CREATE OR REPLACE TRIGGER billing_bulkgrantrow_content_fixed BEFORE UPDATE ON billing_bulkgrantrow FOR EACH ROW
  WHEN ((NEW.id, NEW.bulk_grant_id, NEW.line, NEW.user_id, NEW.amount_minor)
        IS DISTINCT FROM (OLD.id, OLD.bulk_grant_id, OLD.line, OLD.user_id, OLD.amount_minor)
        OR ((NEW.status = OLD.status OR (OLD.status, NEW.status) IN (('granted', 'undone'), ('granted', 'kept')))
            AND NEW.entry_id IS DISTINCT FROM OLD.entry_id)
        OR (NEW.status = OLD.status AND NEW.why <> OLD.why))
  EXECUTE FUNCTION billing_refuse('a row of a bulk grant stays');
CREATE OR REPLACE TRIGGER billing_bulkgrantrow_transition_known BEFORE UPDATE ON billing_bulkgrantrow FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > granted', 'pending > skipped', 'granted > undone', 'granted > kept');

-- The rows are those that the draft counted, and they come with it. Checked once a statement.
CREATE OR REPLACE FUNCTION billing_check_bulk_grant_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM (SELECT DISTINCT bulk_grant_id FROM made) AS m JOIN billing_bulkgrant g ON g.id = m.bulk_grant_id
              WHERE g.status <> 'draft'
                 OR (SELECT count(*) <> g.rows OR sum(r.amount_minor) <> g.total_minor FROM billing_bulkgrantrow r
                      WHERE r.bulk_grant_id = g.id)) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_bulkgrantrow_as_counted',
      MESSAGE = 'the rows of a bulk grant come all at once with their draft, as many and as much as it counts';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER billing_bulkgrantrow_come_with_draft AFTER INSERT ON billing_bulkgrantrow
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION billing_check_bulk_grant_rows();
