use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use millstream::broker::{
    Assignment, Away, Broker, BrokerError, ErrorKind, GroupMember, NewTopic, PartitionReader, Producer,
    TopicDescription, TopicPartition,
};

use crate::admin::AdminClient;
use crate::member::KafkaMember;
use crate::metadata::MetadataClient;
use crate::producer::KafkaProducer;
use crate::restore::Restore;
use crate::settings::KafkaSettings;

/// How long the thread that serves a client's reports looks at one client before the next.
const REPORTS_TURN: Duration = Duration::from_millis(200);

/// An Apache Kafka cluster.
pub struct KafkaBroker {
    clients: Arc<Clients>,
}

/// What a broker's calls share.
struct Clients {
    settings: Arc<KafkaSettings>,
    metadata: Arc<MetadataClient>,
    admin: AdminClient,
    /// The first is made by the first reader outside of the group; one more whenever each has a reader of the same
    /// partition already, as when several workers read a global table.
    restores: Mutex<Vec<Arc<Restore>>>,
}

impl KafkaBroker {
    /// A cluster to be reached as `settings` say; does not wait for it.
    ///
    /// Fails on a property that is unknown, has no such value, or must not be set.
    pub fn new(settings: KafkaSettings) -> Result<Self, BrokerError> {
        settings.check()?;
        let metadata = Arc::new(MetadataClient::new(&settings)?);
        let admin = AdminClient::new(&settings, metadata.clone())?;
        let clients = Arc::new(Clients { settings: Arc::new(settings), metadata, admin, restores: Mutex::default() });
        let served = Arc::downgrade(&clients);
        std::thread::Builder::new().name("kafka-reports".into()).spawn(move || serve_reports(&served)).map_err(
            |error| {
                BrokerError::new(ErrorKind::Fatal, format!("the thread for Kafka's reports did not start: {error}"))
            },
        )?;
        Ok(KafkaBroker { clients })
    }

    /// Waits until a broker of the cluster answers; calls `on_wait` about once a second with the time waited so far.
    ///
    /// Fails after `limit`, with the address and the last error of the connection.
    pub fn wait_until_up(&self, limit: Duration, on_wait: &mut dyn FnMut(Duration)) -> Result<(), BrokerError> {
        let clients = &self.clients;
        clients.metadata.wait_until_up(&clients.settings, limit, on_wait)
    }
}

/// Serves log lines and errors of the clients that have no thread of their own, until the broker is dropped.
fn serve_reports(clients: &Weak<Clients>) {
    while let Some(clients) = clients.upgrade() {
        clients.metadata.serve_reports(REPORTS_TURN);
        clients.admin.renew_token();
        clients.metadata.look_for_brokers();
        let restores = clients.restores.lock().unwrap().clone();
        for restore in restores {
            restore.serve_reports(REPORTS_TURN);
        }
    }
}

impl Broker for KafkaBroker {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.clients.admin.describe(topics)
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.clients.admin.create(topics)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.clients.admin.delete_records(before)
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.clients.metadata.end_offsets(partitions)
    }

    fn settled_end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.clients.metadata.settled_end_offsets(partitions)
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: i64) -> Result<Vec<Option<i64>>, BrokerError> {
        self.clients.metadata.offsets_at(partitions, timestamp)
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        let clients = &self.clients;
        Ok(Box::new(KafkaMember::join(clients.settings.clone(), clients.metadata.clone(), topics)?))
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        let restore = {
            let mut restores = self.clients.restores.lock().unwrap();
            match restores.iter().find(|restore| !restore.reads(&assignment.partition)) {
                Some(restore) => restore.clone(),
                None => {
                    let restore =
                        Arc::new(Restore::new(&self.clients.settings, self.clients.metadata.presence().clone())?);
                    restores.push(restore.clone());
                    restore
                }
            }
        };
        restore.reader(assignment)
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        let clients = &self.clients;
        Ok(Box::new(KafkaProducer::start(&clients.settings, None, topics, None, clients.metadata.clone())?))
    }

    fn away(&self) -> Option<Away> {
        self.clients.metadata.presence().away()
    }

    fn give_up(&self) {
        self.clients.metadata.presence().give_up();
    }
}
