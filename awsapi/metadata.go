package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// metadataTimeout bounds one question to the instance metadata service. It
// answers within milliseconds, or not at all where its hop limit keeps pods out.
const metadataTimeout = 5 * time.Second

// VPCFromMetadata returns the ID of the VPC that this instance's first network
// interface is in, as the instance metadata service (IMDS) says.
func VPCFromMetadata(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client := imds.New(imds.Options{})
	mac, err := metadata(ctx, client, "mac")
	if err != nil {
		return "", err
	}
	return metadata(ctx, client, "network/interfaces/macs/"+mac+"/vpc-id")
}

// RegionFromMetadata returns the Region of this instance, as the instance
// metadata service says.
func RegionFromMetadata(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	return metadata(ctx, imds.New(imds.Options{}), "placement/region")
}

// metadata reads one value.
func metadata(ctx context.Context, client *imds.Client, path string) (string, error) {
	out, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", fmt.Errorf("read %s from the EC2 instance metadata service "+
			"(in a pod it needs the host network or a hop limit of 2): %w", path, err)
	}
	body, err := io.ReadAll(out.Content)
	if err = errors.Join(err, out.Content.Close()); err != nil {
		return "", fmt.Errorf("read %s from the EC2 instance metadata service: %w", path, err)
	}
	value := strings.TrimSpace(string(body))
	if value == "" {
		return "", fmt.Errorf("the EC2 instance metadata service has no %s", path)
	}
	return value, nil
}
