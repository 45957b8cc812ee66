use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::broker::Message;
use crate::serde::SerdeError;
use crate::topic::Topic;

/// The global tables of a worker, by name: each task that is built finds them here, or makes them, empty.
#[derive(Clone, Default)]
pub(crate) struct GlobalStores(Rc<RefCell<BTreeMap<Arc<str>, GlobalStore>>>);

/// One global table of a worker: all rows of a topic.
#[derive(Clone)]
pub(crate) struct GlobalStore {
    pub(crate) topic: Arc<str>,
    /// What reads the topic's records.
    pub(crate) load: Rc<dyn LoadGlobal>,
    /// The same as what it is, for tasks.
    rows: Rc<dyn Any>,
}

/// What a worker does with a global table, whatever its types.
pub(crate) trait LoadGlobal {
    /// Takes one record of the topic.
    fn load(&self, record: &Message<'_>) -> Result<(), SerdeError>;

    /// Drops all rows, to be loaded anew.
    fn clear(&self);
}

/// The rows: read by tasks, written by their worker between batches of records.
pub(crate) struct GlobalRows<K, V> {
    topic: Topic<K, V>,
    /// Keeps the hashes: a key that panics when it is hashed is met before anything changes.
    rows: RefCell<IndexMap<K, V, foldhash::fast::FixedState>>,
}

impl GlobalStores {
    /// The rows of that name, made if nobody has yet; `None` if they are there with other types or of another topic.
    pub(crate) fn rows<K, V>(&self, name: &Arc<str>, topic: &Topic<K, V>) -> Option<Rc<GlobalRows<K, V>>>
    where
        K: Hash + Eq + 'static,
        V: 'static,
    {
        let mut stores = self.0.borrow_mut();
        let store = stores.entry(name.clone()).or_insert_with(|| {
            let rows = Rc::new(GlobalRows { topic: topic.clone(), rows: RefCell::default() });
            GlobalStore { topic: topic.name.clone(), load: rows.clone(), rows }
        });
        if store.topic != topic.name {
            return None;
        }
        store.rows.clone().downcast().ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<GlobalStore> {
        self.0.borrow().get(name).cloned()
    }
}

impl<K: Hash + Eq, V> GlobalRows<K, V> {
    /// Looks at a key's value. Nothing is written while a task looks.
    pub(crate) fn with<R>(&self, key: &K, look: impl FnOnce(Option<&V>) -> R) -> R {
        look(self.rows.borrow().get(key))
    }
}

impl<K: Hash + Eq + 'static, V: 'static> LoadGlobal for GlobalRows<K, V> {
    fn load(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let Some(key) = record.key else {
            return Ok(());
        };
        let key = self.topic.key.decode(key)?;
        match record.value {
            Some(value) => {
                let value = self.topic.value.decode(value)?;
                self.rows.borrow_mut().insert(key, value);
            }
            None => {
                self.rows.borrow_mut().swap_remove(&key);
            }
        }
        Ok(())
    }

    fn clear(&self) {
        self.rows.borrow_mut().clear();
    }
}
