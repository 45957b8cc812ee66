use super::Announcement;
use crate::broker::{BrokerError, ErrorKind};
use crate::record::Timestamp;
use crate::worker::{Instance, Phase};

/// How long, in ms, somebody who is alive may be silent: two announcements are due meanwhile. So long is waited for what others
/// tell, too.
const PROOF_MS: i64 = 7_000;

/// What an instance does before it joins the group.
#[derive(Default)]
pub(super) struct Warming {
    since: Option<Timestamp>,
    /// What this instance told before it was started anew.
    pub(super) before: Option<Announcement>,
    /// After an error that may pass: joining is not tried before then.
    join_at: Timestamp,
}

impl Instance {
    /// Begins: joins the group at once, or after the tasks that it will have are restored. That is worth it only where others
    /// work on them meanwhile.
    pub(in crate::worker) fn begin(&mut self) -> Result<(), BrokerError> {
        let options = &self.application.options;
        let stores = self.application.topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
        let has_state = stores.into_iter().any(|store| store.changelog.is_some());
        if options.warmup_timeout_ms <= 0 || options.until.is_some() || !has_state {
            return self.join();
        }
        match self.instances.control.open(&*self.broker) {
            Ok(()) if self.instances.control.was_empty() => self.join(),
            Ok(()) => {
                self.phase = Phase::Warming;
                Ok(())
            }
            // A topic that was made a moment ago has no leader yet. It is opened once more while this instance waits.
            Err(error) if error.kind == ErrorKind::Retry => {
                self.phase = Phase::Warming;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "what other instances tell cannot be read; joining the group without");
                self.join()
            }
        }
    }

    fn join(&mut self) -> Result<(), BrokerError> {
        self.member = Some(self.broker.join(&self.application.inputs())?);
        self.phase = Phase::Running;
        Ok(())
    }

    /// Joins once there is nothing to wait for any more.
    pub(in crate::worker) fn warm_up(&mut self) -> Result<(), BrokerError> {
        let now = self.instances.clock.ms;
        let since = *self.instances.warming.since.get_or_insert(now);
        if now < self.instances.warming.join_at {
            return Ok(());
        }
        let Some(why) = self.why_to_join(now - since) else {
            return Ok(());
        };
        tracing::info!(why, waited_ms = now - since, "joining the group");
        match self.join() {
            Err(error) if error.kind == ErrorKind::Retry => {
                self.instances.warming.join_at = now + super::control::AGAIN_MS;
                Err(error)
            }
            joined => joined,
        }
    }

    fn why_to_join(&self, waited_ms: Timestamp) -> Option<&'static str> {
        let instances = &self.instances;
        let id = &self.application.options.instance_id;
        if waited_ms >= self.application.options.warmup_timeout_ms {
            return Some("warming up took as long as it may");
        }
        if !instances.control.is_complete() {
            return (waited_ms > PROOF_MS).then_some("what other instances tell cannot be read");
        }
        let (has_others, are_proven) = instances.view.others(id);
        if !has_others {
            return Some("no other instance runs");
        }
        if !are_proven && waited_ms > PROOF_MS {
            return Some("the other instances are silent");
        }
        if self.is_awaited() {
            return Some("its tasks wait for it");
        }
        // Until standbys were told of there are none to look at.
        let is_told = instances.looked_at != Timestamp::MIN;
        (is_told && self.are_standbys_ready()).then_some("its tasks are restored")
    }

    /// Whether the group still counts this instance as a member from before its restart, so that its tasks are with nobody.
    fn is_awaited(&self) -> bool {
        let Instance { instances, application, .. } = self;
        let is_elsewhere = |task| instances.view.is_with_another(&application.options.instance_id, task);
        let before = instances.warming.before.as_ref().filter(|_| application.options.static_membership);
        before.is_some_and(|before| !before.active.iter().any(|had| is_elsewhere(had.task)))
    }
}
