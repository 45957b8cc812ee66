use std::sync::OnceLock;

use super::SchemaId;

const CHAINS: usize = 64;

/// Something for each schema that was met, such as its prepared reader. Looking it up locks and hashes nothing: registries
/// count ids up, so a few of them lie each in a chain of its own. Nothing is ever taken out: there are as many as the
/// registry has schemas, at most.
#[derive(Debug)]
pub struct ById<T>([OnceLock<Box<Node<T>>>; CHAINS]);

#[derive(Debug)]
struct Node<T> {
    id: SchemaId,
    value: T,
    next: OnceLock<Box<Node<T>>>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        ById([const { OnceLock::new() }; CHAINS])
    }
}

impl<T> ById<T> {
    /// What there is for that schema.
    pub fn get(&self, id: SchemaId) -> Option<&T> {
        let mut node = self.chain(id).get()?;
        while node.id != id {
            node = node.next.get()?;
        }
        Some(&node.value)
    }

    /// What there is for that schema; if nothing, then what `make` makes. Two threads that come together make two, of which one
    /// stays.
    pub fn get_or_make<E>(&self, id: SchemaId, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(found) = self.get(id) {
            return Ok(found);
        }
        let mut made = Some(make()?);
        let mut place = self.chain(id);
        loop {
            let node = place.get_or_init(|| {
                let value = made.take().expect("what was made is put into one place alone");
                Box::new(Node { id, value, next: OnceLock::new() })
            });
            if node.id == id {
                return Ok(&node.value);
            }
            place = &node.next;
        }
    }

    fn chain(&self, id: SchemaId) -> &OnceLock<Box<Node<T>>> {
        &self.0[id.0 as usize % CHAINS]
    }
}

impl<T> Drop for ById<T> {
    /// One after the other: a long chain dropped by recursion would overflow the stack.
    fn drop(&mut self) {
        for chain in &mut self.0 {
            let mut next = chain.take();
            while let Some(mut node) = next {
                next = node.next.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ById, SchemaId};

    #[test]
    fn each_id_is_made_once_and_found_again() {
        let by_id = ById::default();
        for id in (0..1_000).map(SchemaId) {
            assert_eq!(by_id.get(id), None);
            assert_eq!(by_id.get_or_make(id, || Ok::<_, ()>(id.0 * 2)), Ok(&(id.0 * 2)));
        }
        for id in (0..1_000).map(SchemaId) {
            assert_eq!(by_id.get_or_make(id, || Err("made twice")), Ok(&(id.0 * 2)));
        }
    }

    #[test]
    fn what_could_not_be_made_is_tried_again() {
        let by_id = ById::default();
        assert_eq!(by_id.get_or_make(SchemaId(7), || Err("away")), Err("away"));
        assert_eq!(by_id.get_or_make(SchemaId(7), || Ok::<_, ()>(1)), Ok(&1));
    }

    #[test]
    fn a_long_chain_is_dropped() {
        let by_id = ById::default();
        for id in 0..20_000 {
            by_id.get_or_make(SchemaId(id * 64), || Ok::<_, ()>(id)).unwrap();
            if id == 300 {
                break;
            }
        }
        assert_eq!(by_id.get(SchemaId(300 * 64)), Some(&300));
    }

    #[test]
    fn threads_that_come_together_get_the_same() {
        let by_id = ById::default();
        let addresses: Vec<usize> = std::thread::scope(|scope| {
            let one = || {
                (0..100)
                    .map(|id| std::ptr::from_ref(by_id.get_or_make(SchemaId(id), || Ok::<_, ()>(id)).unwrap()) as usize)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || one().collect::<Vec<_>>())).collect();
            let all: Vec<Vec<usize>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(all.iter().all(|one| *one == all[0]));
            all[0].clone()
        });
        assert_eq!(addresses.len(), 100);
    }
}
