pub struct Simulation;
