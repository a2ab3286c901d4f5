import { Button, Menu } from '@mantine/core';
import { IconSelector } from '@tabler/icons-react';
import { Link } from 'react-router';
import { useQuery } from 'urql';
import { ClustersDocument } from '../api/clusters.js';

export function ClusterMenu({ cluster }: { readonly cluster: string }) {
  const [{ data }] = useQuery({ query: ClustersDocument });
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button variant="default" size="compact-md" rightSection={<IconSelector size={14} />} aria-label={`Cluster ${cluster}`}>
          {cluster}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {(data?.clusters ?? []).map(({ name }) => (
          <Menu.Item key={name} component={Link} to={`/clusters/${encodeURIComponent(name)}/chart`}>
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
