// Package playground runs the whole world that tgsync lives in on one machine: a
// real Kubernetes API server, pods that answer HTTP, a simulated AWS account with
// load balancers that carry real traffic, and the daemon between them.
//
// Start brings up, in this order, and Close stops in the opposite one:
//
//	network   an own 10.A.0.0/16 (network.go)
//	cluster   test/controlplane (controlplane.go) and KWOK as child processes, three
//	          nodes (cluster.go)
//	account   test/awssim behind a loopback address (aws.go)
//	pods      an HTTP server for each http-echo container (pods.go, container.go)
//
// StartDaemon adds the daemon as a child process with its own service account, and
// Daemon gives more of them (daemon.go). The rest is for those who look at the
// result: objects.go applies manifests, account.go reads AWS over the wire, knowing
// nothing of tgsync's code, audit.go tells what the daemons asked of the API server.
//
// StopControlPlane, KillControlPlane and StartControlPlane take the cluster away and
// bring it back as it was, while everything else goes on.
//
// Every part is a goroutine that Close cancels and waits for (stack.go). Children
// die with their parent, also when that is killed: the control plane ends when its
// standard input closes and removes the state directory, the others are tied to the
// thread that started them (process.go).
//
// Words: a pod has the address 10.A.B.C in Kubernetes and in AWS, and listens at
// 127.A.B.C, which every Linux machine owns without asking for it.
package playground
