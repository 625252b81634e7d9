package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apps are the Deployments of the demo by namespace.
func apps() map[string][]string {
	return map[string][]string{"demo0": {"echo0", "echo1"}, "demo1": {"echo2", "echo3"}}
}

func (d *demonstration) deploy(ctx context.Context) error {
	// A namespace, a Deployment and a Service say it all.
	if err := d.apply(ctx, "demo.yaml", 3); err != nil {
		return err
	}
	for _, namespace := range []string{"demo0", "demo1"} {
		if err := d.awaitDeployments(ctx, namespace); err != nil {
			return err
		}
		d.command("kubectl get -n %s svc,deploy,po", namespace)
		for _, l := range []listing{
			{path: "/api/v1/namespaces/" + namespace + "/services", prefix: "service/"},
			{path: "/apis/apps/v1/namespaces/" + namespace + "/deployments", prefix: "deployment.apps/"},
			{path: "/api/v1/namespaces/" + namespace + "/pods", prefix: "pod/"},
		} {
			if err := d.show(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitDeployments waits until all Deployments of a namespace are available.
func (d *demonstration) awaitDeployments(ctx context.Context, namespace string) error {
	return await(ctx, "the Deployments of "+namespace, func(ctx context.Context) error {
		deployments, err := d.stack.Clientset().AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var available []string
		for i := range deployments.Items {
			if deployments.Items[i].Status.AvailableReplicas == 1 {
				available = append(available, deployments.Items[i].Name)
			}
		}
		return differ("available Deployments", available, apps()[namespace])
	})
}

func (d *demonstration) firstIngress(ctx context.Context) error {
	if err := d.apply(ctx, "ingress.yaml", 1); err != nil {
		return err
	}
	if err := d.awaitAddress(ctx, "demo0", "ingress-demo0", "ingress-demo0"); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, pathRule("echo0"), pathRule("echo1")); err != nil {
		return err
	}
	if err := d.awaitApps(ctx, "demo0"); err != nil {
		return err
	}
	if err := d.expect(ctx, echoes("/echo0", "echo0")); err != nil {
		return err
	}
	return d.expect(ctx, echoes("/echo1", "echo1"))
}

// awaitApps waits until the targets of a namespace's apps are their ready pods.
func (d *demonstration) awaitApps(ctx context.Context, namespace string) error {
	for _, app := range apps()[namespace] {
		pods, err := d.readyPods(ctx, namespace, app)
		if err != nil {
			return err
		}
		if err := d.awaitTargets(ctx, app, pods); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) scaleOut(ctx context.Context) error {
	if err := d.showEndpoints(ctx); err != nil {
		return err
	}
	if err := d.scale(ctx, 2); err != nil {
		return err
	}
	return d.rotation(ctx, "/echo0", 2)
}

func (d *demonstration) scaleIn(ctx context.Context) error {
	begin := time.Now()
	if err := d.scale(ctx, 1); err != nil {
		return err
	}
	d.say("deregistered and seen to be after %d ms", time.Since(begin).Milliseconds())
	return d.rotation(ctx, "/echo0", 1)
}

// scale scales echo0 and waits until its pods, its endpoints and its targets are
// the same.
func (d *demonstration) scale(ctx context.Context, replicas int32) error {
	d.command("kubectl scale deployment echo0 --replicas=%d -n demo0", replicas)
	scale := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "echo0"},
		Spec:       autoscalingv1.ScaleSpec{Replicas: replicas},
	}
	_, err := d.stack.Clientset().AppsV1().Deployments("demo0").UpdateScale(ctx, "echo0", scale, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	d.print("deployment.apps/echo0 scaled")
	if err := d.awaitPods(ctx, "demo0", "echo0", int(replicas)); err != nil {
		return err
	}
	pods, err := d.readyPods(ctx, "demo0", "echo0")
	if err != nil {
		return err
	}
	if err := d.awaitEndpoints(ctx, pods); err != nil {
		return err
	}
	if err := d.showEndpoints(ctx); err != nil {
		return err
	}
	return d.awaitTargets(ctx, "echo0", pods)
}

func (d *demonstration) hostRules(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-hosts.yaml", 1); err != nil {
		return err
	}
	d.say("group.name moves the Ingress to the load balancer of its group")
	if err := d.move(ctx, "ingress-demo", echoes("/echo0", "echo0"), atHost("echo0.host.com", "echo0")); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, hostRule("echo0.host.com", "echo0"), hostRule("echo1.host.com", "echo1")); err != nil {
		return err
	}
	if err := d.awaitApps(ctx, "demo0"); err != nil {
		return err
	}
	for _, want := range []expectation{
		atHost("echo0.host.com", "echo0"),
		atHost("echo1.host.com", "echo1"),
		{host: "echo1.host.com", path: "/echo0", status: http.StatusNotFound},
		{path: "/echo0", status: http.StatusNotFound},
	} {
		if err := d.expect(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) group(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-group.yaml", 2); err != nil {
		return err
	}
	if err := d.move(ctx, "ingress-demo", echoes("/echo0", "echo0"), echoes("/echo1", "echo1")); err != nil {
		return err
	}
	if err := d.awaitAddress(ctx, "demo1", "ingress-demo1", "ingress-demo"); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, pathRule("echo0"), pathRule("echo1"), pathRule("echo2"), pathRule("echo3")); err != nil {
		return err
	}
	if err := d.awaitApps(ctx, "demo1"); err != nil {
		return err
	}
	for _, app := range []string{"echo0", "echo1", "echo2", "echo3"} {
		if err := d.expect(ctx, echoes("/"+app, app)); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) deleteOne(ctx context.Context) error {
	if err := d.deleteIngress(ctx, "demo1", "ingress-demo1"); err != nil {
		return err
	}
	if err := d.awaitAddress(ctx, "demo0", "ingress-demo0", "ingress-demo"); err != nil {
		return err
	}
	if err := d.awaitRules(ctx, pathRule("echo0"), pathRule("echo1")); err != nil {
		return err
	}
	if err := d.expect(ctx, echoes("/echo0", "echo0")); err != nil {
		return err
	}
	return d.expect(ctx, expectation{path: "/echo2", status: http.StatusNotFound})
}

func (d *demonstration) deleteLast(ctx context.Context) error {
	if err := d.deleteIngress(ctx, "demo1", "ingress-demo1"); err != nil {
		return err
	}
	if err := d.deleteIngress(ctx, "demo0", "ingress-demo0"); err != nil {
		return err
	}
	var what []string
	err := await(ctx, "an empty account", func(ctx context.Context) (err error) {
		what, err = d.inventory(ctx)
		if err != nil {
			return err
		}
		return differ("AWS", what, []string{"load balancers: []", "target groups: []", "security groups: [" + d.backendGroup() + "]"})
	})
	if err != nil {
		return err
	}
	d.say("what is in AWS now, beside the network and its default security group")
	for _, line := range what {
		d.print(line)
	}
	d.say("pods let load balancers in by that group: it goes when no rule has been needed for a minute")
	return nil
}

// endpointsPath is the Endpoints object of the Service that is scaled.
const endpointsPath = "/api/v1/namespaces/demo0/endpoints/echo0"

func (d *demonstration) showEndpoints(ctx context.Context) error {
	d.command("kubectl get endpoints echo0 -n demo0")
	return d.show(ctx, listing{path: endpointsPath})
}

// awaitEndpoints waits until the Service's endpoints are these addresses.
func (d *demonstration) awaitEndpoints(ctx context.Context, want []string) error {
	return await(ctx, "the endpoints of echo0", func(ctx context.Context) error {
		rows, err := list(ctx, d.stack, listing{path: endpointsPath})
		if err != nil {
			return err
		}
		if len(rows) != 2 || len(rows[1]) < 2 { // the header and the object: name, endpoints, age
			return fmt.Errorf("endpoints: %v", rows)
		}
		got := strings.Split(rows[1][1], ",")
		slices.Sort(got)
		return differ("endpoints", got, want)
	})
}
