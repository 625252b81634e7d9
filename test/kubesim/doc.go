// Package kubesim is a small Kubernetes API server behind [k8s.io/client-go/rest.Config]'s
// Transport. It does what client-go's fake clientset cannot: resource versions that
// conflict, UID preconditions, selectors, watches that are cut, late or expired,
// a server that is down. The whole of client-go runs over it unchanged (typed
// clients, reflectors, leader election, event recorders), also inside a
// testing/synctest bubble: it has no socket, no goroutine and no clock of its own.
//
// A request goes through these stages:
//
//	Server.RoundTrip   faults, latency, the record of calls (server.go, faults.go, calls.go)
//	parse              path and query to a request (request.go)
//	serve              one verb under the lock: read.go, write.go, patch.go, delete.go
//	store.commit       one resource version, one event, every watch told (store.go)
//	watcher.Read       the body of a watch: the reader pulls what is due (watch.go)
//
// What a kind is stands in one table (kinds.go); no code knows a kind by name.
// Objects of built-in kinds pass through their Go type on the way in, as on a real
// server: unknown fields are dropped and equal objects are equal as JSON.
//
// Conformance is the part of the contract that a real API server is held to as well.
//
// Left out on purpose: defaulting, validation beyond metadata, admission (so a
// namespace need not exist), garbage collection, propagation policies, dry runs of
// deletions, server-side apply, protobuf, tables, discovery. Where a client asks for one of
// these it gets an error that says so. Pods that are deleted gracefully stay until
// somebody deletes them with a grace period of zero: there is no kubelet.
//
// Words. *Kind*: a row of the table. *Object*: one immutable version of one object.
// *Event*: a change from one version to the next. *Window*: the events that a watch
// can still start from.
package kubesim
