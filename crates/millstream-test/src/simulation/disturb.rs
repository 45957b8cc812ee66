use super::Fault;
use super::cluster::{Cluster, SESSION_MS};
use super::network::MemberPhase;
use super::process::Process;

/// How far a clock jumps at most, in ms.
const JUMP_MS: i64 = 1_500;

impl Cluster {
    /// Now and then something happens to the cluster.
    ///
    /// # Errors
    /// Why an instance cannot start.
    pub(super) fn disturb(&mut self) -> Result<(), String> {
        if self.world().is_away && self.back_at.is_none() {
            self.back_at = Some(self.now + self.random.between(1, 300));
        }
        let odds = self.world().odds.clone();
        if !self.random.one_in(odds.disturbance) {
            return Ok(());
        }
        if odds.late_marker > 0 {
            self.broker.hold_markers(true);
        }
        let index = self.random.index(self.instances.len());
        if self.instances[index].is_none() && self.random.one_in(2) {
            self.start(index)?;
        }
        if self.random.one_in(odds.away) {
            self.go_away();
        }
        if self.random.one_in(odds.rebalance) {
            self.disturb_group();
        }
        if self.random.one_in(odds.fence) {
            let open = self.broker.open_transactions();
            if !open.is_empty() {
                let id = self.random.pick(&open).clone();
                self.broker.fence(&id);
                self.world().count(Fault::FencedFromOutside, &id);
            }
        }
        if self.random.one_in(6) {
            self.broker.clean();
            self.world().count(Fault::Cleaned, "broker");
        }
        if !self.replaced.is_empty() && self.random.one_in(8) {
            let gone = self.replaced.remove(0);
            self.world().count(Fault::Crashed, &gone.name);
        }
        if self.random.one_in(odds.pause) {
            self.pause(index)?;
        }
        self.disturb_process(index);
        Ok(())
    }

    fn disturb_process(&mut self, index: usize) {
        let odds = self.world().odds.clone();
        let (crash, stop, jump) =
            (self.random.one_in(odds.crash), self.random.one_in(odds.stop), self.random.one_in(odds.clock));
        let by = self.random.between(-JUMP_MS, JUMP_MS);
        let world = self.world.clone();
        let Some(process) = &mut self.instances[index] else { return };
        if jump {
            let skew = (process.skew + by).clamp(-JUMP_MS, JUMP_MS);
            let fault = if skew < process.skew { Fault::ClockBack } else { Fault::ClockForward };
            process.skew = skew;
            world.get().count(fault, &process.name);
        }
        if stop {
            process.instance.stop();
            world.get().count(Fault::Stopped, &process.name);
        } else if crash {
            world.get().count(Fault::Crashed, &process.name);
            self.instances[index] = None;
        }
    }

    fn go_away(&mut self) {
        let until = self.now + self.random.between(1, 300);
        if self.random.one_in(2) {
            self.broker.set_transactions_away(true);
            self.transactions_back_at = Some(until);
            self.world().count(Fault::TransactionsAway, "broker");
        } else {
            self.broker.set_away(true);
            self.back_at = Some(until);
            let mut world = self.world();
            world.is_away = true;
            world.count(Fault::BrokerAway, "broker");
        }
    }

    /// Whatever has been away for long enough is back.
    pub(super) fn come_back(&mut self) {
        let is_over = |at: &mut i64| *at <= self.now;
        if self.back_at.take_if(is_over).is_some() {
            self.broker.set_away(false);
            let mut world = self.world();
            world.is_away = false;
            world.note(|| "the broker is back".to_owned());
        }
        if self.transactions_back_at.take_if(is_over).is_some() {
            self.broker.set_transactions_away(false);
        }
    }

    /// The group's coordinator moves, forgets everybody, or throws one out; most often while a member is in the middle of
    /// something.
    fn disturb_group(&mut self) {
        let is_amid = |process: &Process| process.is_restoring() || process.member_phase() != MemberPhase::Stable;
        let restoring = self.instances.iter().flatten().any(Process::is_restoring);
        let phases: Vec<MemberPhase> = self.instances.iter().flatten().map(Process::member_phase).collect();
        let amid = self.instances.iter().flatten().any(is_amid);
        match self.random.index(3) {
            0 => {
                self.broker.rebalance(&self.group);
                self.world().count(Fault::CoordinatorMoved, "broker");
                if restoring {
                    self.world().count(Fault::RebalancedRestoring, "broker");
                }
                return;
            }
            1 if amid || self.random.one_in(2) => {
                while self.broker.evict(&self.group, 0) {}
                self.world().count(Fault::GroupForgotten, "broker");
            }
            _ => {
                let index = self.random.index(self.instances.len());
                if !self.broker.evict(&self.group, index) {
                    return;
                }
            }
        }
        let mut world = self.world();
        for (occurs, fault) in [
            (restoring, Fault::EvictedRestoring),
            (phases.contains(&MemberPhase::Revoking), Fault::EvictedRevoking),
            (phases.contains(&MemberPhase::Assigned), Fault::EvictedUnanswered),
        ] {
            if occurs {
                world.count(fault, "broker");
            }
        }
    }

    /// A process, or a thread of it, stands still for longer than its session lasts; or another is started in its place.
    fn pause(&mut self, index: usize) -> Result<(), String> {
        let until = self.now + SESSION_MS + self.random.between(1, 2 * SESSION_MS);
        let replace = self.random.one_in(4);
        let chosen = self.random.index(4);
        let world = self.world.clone();
        let Some(process) = &mut self.instances[index] else { return Ok(()) };
        let thread = (chosen < process.threads()).then_some(chosen);
        process.pause(if replace { None } else { thread }, until);
        world.get().count(Fault::Paused, &format!("{} thread {thread:?} until {until}", process.name));
        if replace && let Some(process) = self.instances[index].take() {
            world.get().count(Fault::Replaced, &process.name);
            self.replaced.push(process);
            self.start(index)?;
        }
        Ok(())
    }
}
