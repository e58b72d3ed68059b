/// Called with every named value of a graph right after it was computed; a throw stops the run.
public typealias ValueObserver = (_ name: String, _ tensor: HostTensor) throws -> Void
