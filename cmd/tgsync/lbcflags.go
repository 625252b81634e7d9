package main

import (
	"fmt"
	"strings"
)

// lbcFlag is what a flag of the AWS Load Balancer Controller (v3.5.0) means here: a
// setting, or why there is none.
type lbcFlag struct {
	// setting takes the value as it is, unless convert makes something else of it.
	setting string
	convert func(value string) (settings []setting, note string)
	// why there is no setting. Without lost, nothing is missing without it.
	why  string
	lost bool

	isBool bool // it may stand without a value
	list   bool // said twice, it has the values of both
}

// setting is one environment variable.
type setting struct{ name, value string }

const (
	whyFaster   = "there is nothing to tune: a change is worked on at once, within AWS's request rates (TGSYNC_API_SHARE)"
	whyWebhooks = "there are no webhooks"
	whyServices = "load balancers for Services are not provisioned"
	whyGateways = "Gateways are not provisioned"
)

// lbcFlags are all of them.
var lbcFlags = map[string]lbcFlag{
	"alb-gateway-max-concurrent-reconciles":            {why: whyGateways, lost: true},
	"allowed-certificate-authority-arns":               {why: "certificates are found whatever their authority", lost: true},
	"aws-api-endpoints":                                {convert: endpointSettings, list: true},
	"aws-api-throttle":                                 {why: whyFaster},
	"aws-max-retries":                                  {why: whyFaster},
	"aws-region":                                       {setting: "AWS_REGION"},
	"aws-vpc-id":                                       {setting: "TGSYNC_VPC_ID"},
	"aws-vpc-tag-key":                                  {why: "the AWS Load Balancer Controller ignores it, too"},
	"aws-vpc-tags":                                     {why: "the VPC is not looked for by tags: set TGSYNC_VPC_ID", lost: true},
	"backend-security-group":                           {setting: "TGSYNC_BACKEND_SECURITY_GROUP"},
	"cluster-name":                                     {setting: "TGSYNC_CLUSTER_NAME"},
	"default-load-balancer-scheme":                     {setting: "TGSYNC_DEFAULT_LOAD_BALANCER_SCHEME"},
	"default-pca-arn":                                  {why: "certificates are not created", lost: true},
	"default-ssl-policy":                               {setting: "TGSYNC_DEFAULT_SSL_POLICY"},
	"default-tags":                                     {setting: "TGSYNC_DEFAULT_TAGS", list: true},
	"default-target-type":                              {setting: "TGSYNC_DEFAULT_TARGET_TYPE"},
	"disable-ingress-class-annotation":                 {setting: "TGSYNC_DISABLE_INGRESS_CLASS_ANNOTATION", isBool: true},
	"disable-ingress-group-name-annotation":            {setting: "TGSYNC_DISABLE_INGRESS_GROUP_NAME_ANNOTATION", isBool: true},
	"disable-restricted-sg-rules":                      {setting: "TGSYNC_DISABLE_RESTRICTED_SG_RULES", isBool: true},
	"enable-backend-security-group":                    {setting: "TGSYNC_ENABLE_BACKEND_SECURITY_GROUP", isBool: true},
	"enable-endpoint-slices":                           {why: "EndpointSlices are always used", isBool: true},
	"enable-leader-election":                           {convert: electionSettings, isBool: true},
	"enable-manage-backend-security-group-rules":       {setting: "TGSYNC_ENABLE_MANAGE_BACKEND_SECURITY_GROUP_RULES", isBool: true},
	"enable-pod-readiness-gate-inject":                 {why: "the policy in deploy/policy adds readiness gates, to the same namespaces", isBool: true},
	"enable-shield":                                    {why: "Shield is left alone", lost: true, isBool: true},
	"enable-waf":                                       {why: "WAF is left alone", lost: true, isBool: true},
	"enable-wafv2":                                     {why: "WAF is left alone", lost: true, isBool: true},
	"external-managed-tags":                            {setting: "TGSYNC_EXTERNAL_MANAGED_TAGS", list: true},
	"feature-gates":                                    {convert: gateSettings, list: true},
	"gateway-class-max-concurrent-reconciles":          {why: whyGateways, lost: true},
	"globalaccelerator-max-concurrent-reconciles":      {why: "Global Accelerators are not provisioned", lost: true},
	"globalaccelerator-max-exponential-backoff-delay":  {why: "Global Accelerators are not provisioned", lost: true},
	"health-probe-bind-addr":                           {why: "/healthz and /readyz are served at TGSYNC_METRICS_ADDRESS"},
	"ingress-class":                                    {setting: "TGSYNC_INGRESS_CLASS"},
	"ingress-max-concurrent-reconciles":                {why: whyFaster},
	"kube-ca-pem-filepath":                             {why: whyWebhooks},
	"kubeconfig":                                       {setting: "KUBECONFIG"},
	"lb-stabilization-monitor-interval":                {why: whyFaster},
	"leader-election-id":                               {setting: "TGSYNC_LBC_LEASE_NAME"},
	"leader-election-namespace":                        {setting: "TGSYNC_LBC_LEASE_NAMESPACE"},
	"load-balancer-class":                              {why: whyServices, lost: true},
	"log-level":                                        {setting: "TGSYNC_LOG_LEVEL"},
	"max-targets-per-target-group":                     {setting: "TGSYNC_MAX_TARGETS_PER_TARGET_GROUP"},
	"metrics-bind-addr":                                {setting: "TGSYNC_METRICS_ADDRESS"},
	"nlb-gateway-max-concurrent-reconciles":            {why: whyGateways, lost: true},
	"quic-environment-variable-name":                   {why: "QUIC is a matter of Network Load Balancers, which are not provisioned", lost: true},
	"required-secrets-label":                           {why: "Secrets are not read"},
	"service-max-concurrent-reconciles":                {why: whyServices, lost: true},
	"service-target-eni-security-group-tags":           {setting: "TGSYNC_SERVICE_TARGET_ENI_SECURITY_GROUP_TAGS", list: true},
	"sync-period":                                      {why: "TGSYNC_PROVISION_AUDIT_INTERVAL and TGSYNC_AUDIT_INTERVAL say how often AWS is looked at although nothing has changed"},
	"targetgroupbinding-max-concurrent-reconciles":     {why: whyFaster},
	"targetgroupbinding-max-exponential-backoff-delay": {why: whyFaster},
	"targetgroupbinding-requeue-duration":              {why: whyFaster},
	"tolerate-non-existent-backend-action":             {setting: "TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_ACTION", isBool: true},
	"tolerate-non-existent-backend-service":            {setting: "TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_SERVICE", isBool: true},
	"watch-namespace":                                  {setting: "TGSYNC_WATCH_NAMESPACE"},
	"webhook-bind-port":                                {why: whyWebhooks},
	"webhook-cert-dir":                                 {why: whyWebhooks},
	"webhook-cert-file":                                {why: whyWebhooks},
	"webhook-key-file":                                 {why: whyWebhooks},
}

// endpointSettings makes settings of the SDK of serviceID=URL,serviceID=URL.
func endpointSettings(value string) (settings []setting, note string) {
	for pair := range strings.SplitSeq(value, ",") {
		service, url, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Sprintf("%q is not serviceID=URL", pair)
		}
		name := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(service), " ", "_"))
		settings = append(settings, setting{"AWS_ENDPOINT_URL_" + name, strings.TrimSpace(url)})
	}
	return settings, ""
}

// electionSettings says what it means that there is no Lease to look at.
func electionSettings(value string) (settings []setting, note string) {
	if value == "true" {
		return nil, "its Lease is looked for anyway"
	}
	return []setting{{"TGSYNC_LBC_LEASE_NAME", ""}},
		"without a Lease it cannot be seen whether the AWS Load Balancer Controller still writes: scale it to 0 first"
}

// gateSettings keeps the gates that mean something here.
func gateSettings(value string) (settings []setting, note string) {
	var kept, others []string
	for pair := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(pair, "=")
		if _, known := gateDefaults[strings.TrimSpace(name)]; known {
			kept = append(kept, pair)
		} else {
			others = append(others, pair)
		}
	}
	if len(kept) > 0 {
		settings = []setting{{"TGSYNC_FEATURE_GATES", strings.Join(kept, ",")}}
	}
	if len(others) > 0 {
		note = "gates without meaning here: " + strings.Join(others, ", ")
	}
	return settings, note
}
